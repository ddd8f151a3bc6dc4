"""The networks that find persons: the default of each detector, and published speeds, from which a run is priced."""

DEFAULT_MODELS = {
    "detectron2": "COCO-InstanceSegmentation/mask_rcnn_R_101_FPN_3x.yaml",  # the paper's (4.2)
    "torchvision": "maskrcnn_resnet50_fpn_v2",
}

# Seconds per frame on an NVIDIA V100: boxes alone, one frame at a time in float32, frames of 800 rows where the model's
# own size is not another. Without its masks or keypoints, a Mask or Keypoint R-CNN is the Faster R-CNN of the same
# backbone, and has its time.
# Sources: detectron2's MODEL_ZOO.md, column "inference time"; torchvision's documentation of release 0.12, table
# "Runtime characteristics" (FCOS: its pull request 4961). There are no times of torchvision's _v2 models: theirs are
# those of the models without _v2, times the ratio of the operations that their weights state (Faster R-CNN: 280.37 to
# 134.38 GFLOP; RetinaNet: 152.24 to 151.54).
_FASTER_V2, _RETINANET_V2 = 0.0590 * 280.37 / 134.38, 0.0939 * 152.24 / 151.54
SECONDS_PER_FRAME = {
    "detectron2": {
        "COCO-InstanceSegmentation/mask_rcnn_R_101_FPN_3x.yaml": 0.051,
        "COCO-InstanceSegmentation/mask_rcnn_R_50_FPN_3x.yaml": 0.038,
        "COCO-InstanceSegmentation/mask_rcnn_X_101_32x8d_FPN_3x.yaml": 0.098,
        "COCO-Keypoints/keypoint_rcnn_R_101_FPN_3x.yaml": 0.051,
        "COCO-Keypoints/keypoint_rcnn_R_50_FPN_3x.yaml": 0.038,
        "COCO-Keypoints/keypoint_rcnn_X_101_32x8d_FPN_3x.yaml": 0.098,
        "COCO-Detection/faster_rcnn_R_101_FPN_3x.yaml": 0.051,
        "COCO-Detection/faster_rcnn_R_50_FPN_3x.yaml": 0.038,
        "COCO-Detection/faster_rcnn_X_101_32x8d_FPN_3x.yaml": 0.098,
        "COCO-Detection/retinanet_R_101_FPN_3x.yaml": 0.068,
        "COCO-Detection/retinanet_R_50_FPN_3x.yaml": 0.055,
    },
    "torchvision": {
        "maskrcnn_resnet50_fpn_v2": _FASTER_V2,
        "maskrcnn_resnet50_fpn": 0.0590,
        "keypointrcnn_resnet50_fpn": 0.0590,
        "fasterrcnn_resnet50_fpn_v2": _FASTER_V2,
        "fasterrcnn_resnet50_fpn": 0.0590,
        "fasterrcnn_mobilenet_v3_large_fpn": 0.0415,
        "fasterrcnn_mobilenet_v3_large_320_fpn": 0.0376,
        "fcos_resnet50_fpn": 0.0539,
        "retinanet_resnet50_fpn_v2": _RETINANET_V2,
        "retinanet_resnet50_fpn": 0.0939,
        "ssd300_vgg16": 0.0744,
        "ssdlite320_mobilenet_v3_large": 0.0906,
    },
}
_OWN_SHORT_SIDE = {"fasterrcnn_mobilenet_v3_large_320_fpn": 320}  # pixels; the others' is 800
_FIXED_SIZE = ("ssd300_vgg16", "ssdlite320_mobilenet_v3_large")


def seconds_per_frame(detector: str, model: str, short_side: int = 0) -> float | None:
    """Returns the published seconds per frame of a model; None if there are none, or if it takes no such frames.

    For another input size, `short_side` in pixels (0: the model's own), they grow with the number of pixels.
    """
    seconds = SECONDS_PER_FRAME[detector].get(model)
    if seconds is None or not short_side:
        return seconds
    if model in _FIXED_SIZE:
        return None
    return seconds * (short_side / _OWN_SHORT_SIDE.get(model, 800)) ** 2

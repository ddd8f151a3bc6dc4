"""Settings of the detection of persons."""

from dataclasses import dataclass

from workflow_scripts.ground.setting import setting

# The VERSION of each stage. Increase it when the same video gives other boxes.
VERSIONS = {"detect_persons": 4}


@dataclass(frozen=True)
class PersonsSettings:
    """Settings of the persons stage. The paper (3.3) names the network, but no thresholds.

    The keys that only some detectors read are named in their entries in `detectors`.
    """

    stride: int = setting(
        1,
        "Persons are detected in every stride-th frame. Boxes are interpolated between these frames; the boxes of "
        "stride 3 overlap those of stride 1 with an IoU of 0.95.",
        source="paper 3.3",
        unit="frames",
        minimum=1,
    )
    score_threshold: float = setting(
        0.5,
        "Detections with a lower probability are ignored.",
        source="ours",
        minimum=0,
        maximum=1,
    )
    model: str = setting(
        "COCO-InstanceSegmentation/mask_rcnn_R_101_FPN_3x.yaml",
        "Network that detects persons: a name in detectron2's model zoo or a config file.",
        source="paper 4.2",
    )
    weights: str = setting(
        "",
        "File or URL of the network's weights (torchvision: those of maskrcnn_resnet50_fpn_v2). Empty: the "
        "published weights.",
        source="paper 4.2",
    )
    batch_size: int = setting(
        8,
        "Frames per forward pass on a GPU. With several threads, a batch holds frames of several videos.",
        source="ours",
        minimum=1,
    )
    hog_threshold: float = setting(
        0.0,
        "Detections with a lower signed distance from the SVM's boundary are ignored (OpenCV's default).",
        source="ours",
    )
    hog_height: int = setting(
        240,
        "Frames of less height are enlarged to this height, so that persons of half the frame's height are found.",
        source="ours",
        unit="pixels",
        minimum=128,
    )
    files: str = setting(
        "",
        "Folder of existing boxes: FOLDER/NAME.bb, .h5 or .json per video, or NAME.bb, .h5 or .json, where FOLDER and "
        "NAME are those of the video.",
        source="ours",
    )

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
    adaptive: float = setting(
        0.0,
        "Of the stride-th frames, those that differ less from the last searched one are skipped, by the mean absolute "
        "difference of grey frames of 64 x 48. Their boxes move as far as the picture has changed. 0: none is skipped.",
        source="ours",
        unit="grey values",
        minimum=0,
        maximum=255,
    )
    score_threshold: float = setting(
        0.5,
        "Detections with a lower probability are ignored.",
        source="ours",
        minimum=0,
        maximum=1,
    )
    model: str = setting(
        "",
        "Network that detects persons. detectron2: a name in its model zoo, or a config file; torchvision: the name of "
        "a detection model. Empty: mask_rcnn_R_101_FPN_3x (detectron2) or maskrcnn_resnet50_fpn_v2 (torchvision).",
        source="paper 4.2",
    )
    weights: str = setting(
        "",
        "File or URL of the network's weights. Empty: the published weights.",
        source="paper 4.2",
    )
    short_side: int = setting(
        0,
        "Frames are resized to this length of the shorter side for the network, as far as the model's limit of the "
        "longer side allows. 0: the model's own, which is mostly 800.",
        source="ours",
        unit="pixels",
        minimum=0,
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

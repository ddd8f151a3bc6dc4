"""How people are found."""

from dataclasses import dataclass

from workflow_scripts.ground.setting import setting

# The VERSION of each stage, raised when the same video gives other boxes.
VERSIONS = {"detect_persons": 4}


@dataclass(frozen=True)
class PersonsSettings:
    """Settings of the persons stage; the paper (3.3) names the network, and says nothing of thresholds."""

    stride: int = setting(
        1,
        "Persons are detected in every stride-th frame, and their boxes are interpolated between these. With 3, the "
        "boxes overlap those of 1 by 0.95.",
        source="paper 3.3",
        unit="frames",
        minimum=1,
    )
    score_threshold: float = setting(
        0.5,
        "The least probability at which a detection counts as a person.",
        source="ours",
        detectors=["detectron2", "torchvision"],
        minimum=0,
        maximum=1,
    )
    model: str = setting(
        "COCO-InstanceSegmentation/mask_rcnn_R_101_FPN_3x.yaml",
        "Network that finds persons: a name in detectron2's model zoo or a file.",
        source="paper 4.2",
        detectors=["detectron2"],
    )
    weights: str = setting(
        "",
        "File or URL of the network's weights (with torchvision, of its maskrcnn_resnet50_fpn_v2). Empty: the "
        "published weights.",
        source="paper 4.2",
        detectors=["detectron2", "torchvision"],
    )
    batch_size: int = setting(
        8,
        "Frames per forward pass on a GPU. They are of several videos where the stage has several threads.",
        source="ours",
        detectors=["detectron2", "torchvision"],
        minimum=1,
    )
    hog_threshold: float = setting(
        0.0,
        "The least signed distance from the SVM's boundary at which a detection counts (OpenCV's default).",
        source="ours",
        detectors=["hog"],
    )
    hog_height: int = setting(
        240,
        "Lower frames are enlarged to this height, to find persons of half of it.",
        source="ours",
        unit="pixels",
        detectors=["hog"],
        minimum=128,
    )
    files: str = setting(
        "",
        "Folder of existing boxes: FOLDER/NAME.bb, .h5 or .json per video, or the same without the video's folder.",
        source="ours",
        detectors=["files"],
    )

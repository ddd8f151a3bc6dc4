"""How people are found."""

from dataclasses import dataclass

# The VERSION of each stage, raised when the same video gives other boxes.
VERSIONS = {"detect_persons": 4}


@dataclass(frozen=True)
class PersonsSettings:
    """Settings of the persons stage; the paper (3.3) names the network, and says nothing of thresholds."""

    stride: int = 1  # frames: detect in every stride-th, and carry the boxes between; 1: paper
    score_threshold: float = 0.5  # Mask R-CNN: least probability of a person, 0..1; ours
    model: str = "COCO-InstanceSegmentation/mask_rcnn_R_101_FPN_3x.yaml"  # detectron2: model zoo name or file; paper
    weights: str = ""  # Mask R-CNN: file or URL, empty for those published with the network
    batch_size: int = 8  # Mask R-CNN: frames in one forward pass on a GPU; ours
    hog_threshold: float = 0.0  # hog: least signed distance from the SVM's boundary; OpenCV's default
    hog_height: int = 240  # hog: pixels; lower frames are enlarged to it, to find people of half its height; ours
    files: str = ""  # files: folder with a .bb, .h5 or .json of boxes for every video; ours

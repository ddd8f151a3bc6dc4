"""The evaluation of representations (paper 4). Each protocol is a file: finetune, linear, knn, svm.

`protocols` lists the protocols and `metrics` the metrics. `results` writes the records. `evaluations` lists what the
config requests.
"""

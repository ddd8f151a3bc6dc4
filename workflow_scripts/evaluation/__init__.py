"""How good is a representation (paper 4)? A file per protocol: finetune, linear, knn, svm.

`protocols` lists them, `metrics` lists the metrics, `results` writes their records, `evaluations` says what the config
asks for.
"""

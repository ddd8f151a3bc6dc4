"""How good is a representation: finetuning, few-shot linear classifiers, and IDT with a linear SVM (paper 4)."""

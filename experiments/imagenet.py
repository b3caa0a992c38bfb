"""Do pretrained ImageNet networks have small angles to each other? (claim C13)

    python experiments/imagenet.py --weights=imagenet --images=FOLDER
    python experiments/imagenet.py --weights=imagenet --images=imagenet_v2 \\
        --models=ResNet50,DenseNet121,EfficientNetB0

Every network sees the same images in the same order, at its own input size and with its
own preprocessing. Without flags, networks with random weights see digits: a trial that
says nothing about the claim. Writes `angle_matrix` (with nulls) and `measures` (other
similarity measures) as CSV, png and pdf, the samples that dominate each angle, and
`claims.csv`.
"""

from keras_pvec.reproduction import flags
from keras_pvec.reproduction.imagenet import run_imagenet

flags.define_imagenet_flags()

if __name__ == "__main__":
    flags.run(lambda: run_imagenet(flags.imagenet_config()))

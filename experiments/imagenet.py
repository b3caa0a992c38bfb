"""Do ready-trained ImageNet networks have small angles to each other? (claim C13)

    python experiments/imagenet.py --weights=imagenet --images=FOLDER
    python experiments/imagenet.py --weights=imagenet --images=imagenet_v2 \\
        --models=ResNet50,DenseNet121,EfficientNetB0

Every network sees the same images in the same order, each at its own size and with its
own preprocessing. Without a flag it tries random weights on digits, which says nothing
about the claim. Writes `angle_matrix` (with nulls) and `measures` (others beside the
angle) as CSV, png and pdf, the samples that decide each angle, and `claims.csv`.
"""

from pathlib import Path

import common
from absl import flags

from keras_pvec.reproduction import report
from keras_pvec.reproduction.devices import DEVICES, prepare_process

FLAGS = flags.FLAGS

flags.DEFINE_string("data_dir", None, "Folder of tensorflow-datasets.")
flags.DEFINE_string("out_dir", "results", "Where tables and figures go.")
flags.DEFINE_enum("device", "auto", DEVICES, "Where to compute.")
common.define_pretrained_flags("models")


def main() -> None:
    prepare_process(FLAGS.device)
    folder = Path(FLAGS.out_dir) / "imagenet"
    with common.results_folder(folder):
        findings = common.pretrained_findings(FLAGS.models)
        common.save_findings(findings, folder)
    print(f"\n{report.render_claims(findings.claims)}")
    common.finish(folder, failures=[])


if __name__ == "__main__":
    common.run(main)

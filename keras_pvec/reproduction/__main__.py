"""All studies on shared runs, and the report about their claims.

    keras-pvec reproduce                    # digits
    keras-pvec reproduce --dataset=cifar10  # 40 minutes on two CPU cores
    keras-pvec reproduce --datasets=mnist,cifar10,cifar100 --seeds=0,1,2
    keras-pvec reproduce --dataset=cifar10 --only=C4,C9
    keras-pvec reproduce --dataset=cifar10 --notrain  # existing runs only
    keras-pvec reproduce --only=C13 --weights=imagenet --images=FOLDER

Trains each run once, reuses existing runs, and resumes interrupted ones after their
last finished epoch. Writes the results of each study, all verdicts as
`<out_dir>/claims.csv`, and the claims with all figures as `report.html` and
`report.md`.
"""

from keras_pvec.reproduction import flags
from keras_pvec.reproduction.reproduce import reproduce

flags.define_reproduction_flags()

if __name__ == "__main__":
    flags.run(lambda: reproduce(flags.reproduction_config()))

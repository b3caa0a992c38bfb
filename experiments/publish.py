"""Publishes the tables of a reproduction, and the page that is made of them.

    python experiments/reproduce.py --preset=whole --datasets=mnist,cifar10,cifar100 \\
        --out_dir=reproduction
    python experiments/publish.py --out_dir=reproduction --readme=README.md

Copies the tables that are small, rounded, with the settings that made them, to
`<folder>/<dataset>/<study>/`, and writes the page of results from them alone. Without
`--out_dir`, only the page is written again. `--readme` names a page whose headline,
between the lines `<!-- results: begin -->` and `<!-- results: end -->`, is written too.
"""

from keras_pvec.reproduction import flags
from keras_pvec.reproduction.publish import publish

flags.define_publication_flags()

if __name__ == "__main__":
    flags.run(lambda: publish(flags.publication_config()))

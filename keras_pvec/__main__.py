import sys

from keras_pvec.cli import main

sys.exit(main())

"""A campaign of faults against run folders.

A fault is a kill, a disk that is full or failing, or a damaged file. Each is tried on a
small run that takes milliseconds, and the outcome is judged against the same run
without the fault:

- `clean`: the right answer, bit for bit.
- `told`: an error or a finding that names the file.
- `wrong`: a different answer without a word, lost data, or any other exception.

`benchmarks/faults.py` runs a campaign of any size, and
`tests/integration/test_faults.py` a short one.

| module | what it holds |
|---|---|
| `disk` | a disk that fails at a given operation |
| `small_run` | a training without Keras, and what it leaves behind |
| `damage` | ways to damage a file |
| `judge` | verdicts: is an error typed, does it name the file, are answers equal |
| `questions` | what is asked of a damaged folder |
| `cases` | all faults by their ids, and how each is tried |
| `keras_cases` | the same with a real training, its checkpoints and its study |
| `campaign` | chooses cases by seed and count, and tabulates verdicts |
"""

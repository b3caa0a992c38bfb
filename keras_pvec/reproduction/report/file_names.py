"""Names of the tables that several rooms write or read."""

CLAIMS_FILE = "claims.csv"
READINGS_FILE = "specifications.csv"
RUNS_FILE = "runs.csv"

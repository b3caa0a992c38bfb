"""The reproduction of the P-vector paper, built on the library as any user could."""

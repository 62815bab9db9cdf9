"""Files of the users' own data: CSV, Parquet and NumPy's, read with limits and made into a data set, or refused"""

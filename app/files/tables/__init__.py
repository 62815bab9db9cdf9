"""Files of the users' own data: CSV, Parquet, NumPy's and IDX, made into a data set, or refused"""

"""Tables of the users' own: how their columns become numbers, and how their rows are split"""

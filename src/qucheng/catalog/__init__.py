"""What is sold, where, and at what price: SKUs with what is said of them, channels, and the price book in versions.

A version of the price book is a draft, submitted, approved or discarded; the approved ones are in force one after the other.
Invariants, held by the database: prices of one key never overlap; what was submitted stays as it is; a version is approved by
another person, if none was approved since the one it was made from, without a price below its floor or a floor below its cost;
the shares of a package's parts are the whole, and a part is no package.
"""

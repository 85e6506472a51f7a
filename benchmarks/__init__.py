"""`make bench`: what Tailrace costs, beside what people would write by hand and beside other engines, in one run."""

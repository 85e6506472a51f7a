"""Changes of the clock of every kind: zones, and when their clocks changed."""

CLOCK_CHANGES = [
    ("Europe/Berlin", "2024-03-31T01:00Z"),
    ("Africa/Cairo", "2024-04-25T22:00Z"),
    ("America/Santiago", "2024-09-08T04:00Z"),
    ("America/Sao_Paulo", "2018-02-18T02:00Z"),
    ("America/St_Johns", "2010-11-07T02:31Z"),
    ("Australia/Lord_Howe", "2024-04-06T15:00Z"),
    ("Australia/Lord_Howe", "2024-10-05T15:30Z"),
    ("Pacific/Apia", "2011-12-30T10:00Z"),
    ("Pacific/Kwajalein", "1993-08-21T12:00Z"),
    ("Africa/Casablanca", "2024-04-14T02:00Z"),
    ("Africa/Monrovia", "1972-01-07T00:44:30Z"),  # from an offset of -00:44:30
    ("America/Goose_Bay", "2009-11-01T03:01Z"),  # the clocks go back into the day before
    ("Antarctica/Casey", "2010-03-04T15:00Z"),
    ("Antarctica/Troll", "2024-03-31T01:00Z"),
    ("Europe/Dublin", "2024-10-27T01:00Z"),
]

from tailrace.inputs.newest_images import NewestImages


def test_the_bounds_hold_for_images_and_for_their_sizes() -> None:
    newest = NewestImages[str](10, 2_000)
    for number in range(1_000):
        newest.put(str(number % 37), f"{number}", number * 7919 % 600)
        kept = [key for key in map(str, range(37)) if newest.get(key) is not None]
        assert 1 <= len(kept) <= 10
        assert newest.get(str(number % 37)) == f"{number}"
        assert sum(int(newest.get(key) or 0) * 7919 % 600 for key in kept) <= 2_000


def test_what_was_stored_longest_ago_goes_first_and_a_replaced_image_takes_no_room() -> None:
    newest = NewestImages[int](3, 100)
    for number in range(50):
        newest.put("a", number, 30)
    for key in ("b", "c", "a", "d"):
        newest.put(key, 7, 30)
    assert [newest.get(key) for key in "abcd"] == [7, None, 7, 7]


def test_an_image_beyond_the_bound_is_not_kept() -> None:
    newest = NewestImages[int](3, 100)
    newest.put("a", 1, 60)
    newest.put("b", 2, 101)
    assert [newest.get(key) for key in "ab"] == [None, None]
    newest.put("a", 1, 60)
    assert newest.get("a") == 1

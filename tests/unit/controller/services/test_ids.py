"""Ids are UUIDv7 (RFC 9562 §5.7): a row's id sorts by when it was made."""

from uuid import RFC_4122, UUID

from controller.services.database import new_id


def test_ids_are_of_version_7_and_sort_by_the_order_they_were_made_in() -> None:
    made = [new_id() for _ in range(200)]
    assert made == sorted(set(made))
    assert {(UUID(text).version, UUID(text).variant) for text in made} == {(7, RFC_4122)}

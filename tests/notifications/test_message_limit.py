"""A message is shortened only where it has to be."""

from resources.delivery_messages import Message

MESSAGE = Message("a1", "alerts", {}, {"alert_id": "a1", "explanation": "x" * 500})


def test_a_message_of_just_the_limit_goes_out_whole() -> None:
    whole = MESSAGE.body()
    assert whole == b'{"alert_id":"a1","explanation":"' + b"x" * 500 + b'"}'
    assert MESSAGE.body(len(whole)) == whole
    assert len(MESSAGE.body(len(whole) - 1)) < len(whole)

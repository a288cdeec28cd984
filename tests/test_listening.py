"""The port, and how to leave it: nobody who is in, or on the way in, is dropped."""

import socket
from collections.abc import Iterator

import pytest

from gateway.listening import go_deaf, listen, number_of, open_connections, turn_newcomers_away, waiting_connections


@pytest.fixture
def listener() -> Iterator[socket.socket]:
    with listen("127.0.0.1", 0) as opened:
        yield opened


def knock(listener: socket.socket) -> socket.socket:
    """A connection to a port, whoever takes it."""
    return socket.create_connection(listener.getsockname(), timeout=0.3)


def test_a_process_that_went_deaf_leaves_all_connections_to_the_others(listener: socket.socket) -> None:
    # Another descriptor of the same socket is what another process has.
    with listener.dup() as elsewhere:
        place = listener.getsockname()
        go_deaf(listener, number_of(listener))
        with socket.create_connection(place, timeout=0.3):
            with pytest.raises(BlockingIOError):
                listener.accept()
            taken, _ = elsewhere.accept()
            taken.close()


def test_the_port_is_closed_once_all_went_deaf(listener: socket.socket) -> None:
    place = listener.getsockname()
    go_deaf(listener, number_of(listener))
    with pytest.raises(ConnectionRefusedError):
        socket.create_connection(place, timeout=0.3)


def test_a_descriptor_that_is_something_else_by_now_is_left_alone(listener: socket.socket) -> None:
    with socket.socket() as other, pytest.raises(OSError, match="closed"):
        go_deaf(listener, number_of(other))
    knock(listener).close()


def test_once_newcomers_are_turned_away_who_was_in_stays_and_nobody_else_comes(listener: socket.socket) -> None:
    assert waiting_connections(listener) == 0
    with knock(listener) as early:
        assert waiting_connections(listener) == 1
        turn_newcomers_away(listener)
        with pytest.raises(TimeoutError):
            knock(listener)
        taken, _ = listener.accept()
        assert waiting_connections(listener) == 0
        # Connections that stand are not touched, in either direction.
        with taken:
            early.sendall(b"asked")
            assert taken.recv(5) == b"asked"
            taken.sendall(b"answered")
            assert early.recv(8) == b"answered"


def test_connections_are_counted_that_came_in_at_the_port(listener: socket.socket) -> None:
    port = listener.getsockname()[1]
    assert open_connections(port) == 0
    with knock(listener):
        taken, _ = listener.accept()
        with taken:
            assert open_connections(port) == 1
    assert open_connections(port) == 0

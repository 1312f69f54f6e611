"""Addresses of servers in a job: whole, and without anything that must not be written down."""

from urllib.parse import urlsplit

from pydantic_core import PydanticCustomError

from fcaps_pipeline.errors import printable


def plain_address(url: str) -> str:
    """The address as it is, if it holds no secret that records and messages would carry on.

    Raises:
        PydanticCustomError: of a type whose input no message repeats.
    """
    try:
        address = urlsplit(url)
        is_usable = address.scheme in {"http", "https"} and bool(address.hostname) and address.port != 0
    except ValueError:
        is_usable = False
    if not is_usable or url != printable(url) or " " in url:
        raise PydanticCustomError("address", "expected http://HOST:PORT/v1 or https://HOST/v1")
    if "@" in address.netloc or address.query or address.fragment:
        raise PydanticCustomError(
            "address", "must hold no user, password or query; put the key into a variable and name it as api_key_env"
        )
    return url

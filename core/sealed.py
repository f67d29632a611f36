"""Secrets of others that are kept: encrypted with a key that is not kept beside them."""

from cryptography.fernet import Fernet, InvalidToken, MultiFernet

from core.errors import UsageError

HOW_TO_MAKE = "Make one with `cleanplate writeback new-key`, keep it, and set it as SHOP_TOKEN_KEY in .env."


def new_key() -> str:
    """Return a key that cannot be guessed."""
    return Fernet.generate_key().decode()


def seal(keys: str, secret: str) -> str:
    """Return a secret as it may be stored.

    Args:
        keys: SHOP_TOKEN_KEY: one key, or several with commas between, of which the first seals.
        secret: What nobody may read.

    Raises:
        UsageError: There is no key, or it is none.
    """
    return _opener(keys).encrypt(secret.encode()).decode()


def unseal(keys: str, sealed: str) -> str:
    """Return a secret that was sealed with one of the keys.

    Raises:
        UsageError: None of the keys sealed it.
    """
    try:
        return _opener(keys).decrypt(sealed.encode()).decode()
    except InvalidToken as error:
        raise UsageError(
            "SHOP_TOKEN_KEY is not the key that this shop's token was stored with. Set the one from before (several "
            "may stand there, with commas between), or connect the shop again."
        ) from error


def _opener(keys: str) -> MultiFernet:
    told = [key.strip() for key in keys.split(",") if key.strip()]
    if not told:
        raise UsageError(f"SHOP_TOKEN_KEY is not set: the shop's token would lie open. {HOW_TO_MAKE}")
    try:
        return MultiFernet([Fernet(key) for key in told])
    except ValueError as error:
        raise UsageError(f"SHOP_TOKEN_KEY holds something that is no key. {HOW_TO_MAKE}") from error

"""Tables of what was handed in as bytes."""

from datetime import datetime

from sqlalchemy import LargeBinary
from sqlalchemy.orm import Mapped, mapped_column

from db.models.schema import NOW, Base


class Upload(Base):
    """A photo that was handed in as bytes."""

    __tablename__ = "uploads"

    sha256: Mapped[str] = mapped_column(primary_key=True)
    data: Mapped[bytes] = mapped_column(LargeBinary)
    created_at: Mapped[datetime] = mapped_column(server_default=NOW)

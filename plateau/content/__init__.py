"""What patients read, by language, and the clinic's settings. No Rasa, no spaCy."""

from ._catalog import Catalog, ContentError, catalog
from ._clinic import Clinic, SettingError, clinic

__all__ = ["Catalog", "Clinic", "ContentError", "SettingError", "catalog", "clinic"]

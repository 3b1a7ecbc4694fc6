"""What patients read, by language, and the clinic's settings. No Rasa, no spaCy."""

from ._catalog import Catalog, ContentError, catalog, dated
from ._clinic import Clinic, SettingError, clinic, clinic_words

__all__ = ["Catalog", "Clinic", "ContentError", "SettingError", "catalog", "clinic", "clinic_words", "dated"]

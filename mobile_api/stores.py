"""The client of the evidence store that the settings name."""

from backend.core.settings import Settings
from storage.evidence_store import EvidenceStore, StoreSettings


def store_of(settings: Settings, *, waited_for: bool = False) -> EvidenceStore:
    """A client of the store; it connects at its first use. `waited_for`: as EvidenceStore's."""
    return EvidenceStore(
        StoreSettings(
            endpoint=str(settings.s3_endpoint),
            access_key=str(settings.s3_access_key),
            secret_key=str(settings.s3_secret_key),
            bucket=settings.s3_bucket,
            region=settings.s3_region,
            secure=settings.s3_secure,
            public_url=settings.s3_public_url,
        ),
        waited_for=waited_for,
    )

"""The demonstration: real photos, found by their pixels alone, then asked about."""

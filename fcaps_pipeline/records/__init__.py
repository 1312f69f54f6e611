"""The words of this project as frozen pydantic models, from Recording to Annotation."""

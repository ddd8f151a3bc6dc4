"""Pictures for the report that need the tracker."""

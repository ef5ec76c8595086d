"""The options of the route, and those that its author invented."""

from typing import Any

from wit_world.imports import options as host


class Options:
    """The options by name."""

    def get(self, name: str, default: Any = None) -> Any:
        """One option; `default` if it is not set."""
        value = host.get(name)
        return default if value is None else value.value

    def __getitem__(self, name: str) -> Any:
        value = host.get(name)
        if value is None:
            raise KeyError(name)
        return value.value

    def __contains__(self, name: str) -> bool:
        return host.get(name) is not None

    def all(self) -> dict[str, Any]:
        """All that are set."""
        return {name: value.value for name, value in host.all()}

    def __repr__(self) -> str:
        return repr(self.all())


options = Options()

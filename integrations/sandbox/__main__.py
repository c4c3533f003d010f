"""Start the sandbox with `python -m integrations.sandbox`."""

from integrations.sandbox.command import main

raise SystemExit(main())

# SPDX-License-Identifier: MIT
"""An application whose module raises."""

raise RuntimeError("this module fails on purpose")

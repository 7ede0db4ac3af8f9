"""What third parties need to test their own implementations: conformance suites and the simulator."""

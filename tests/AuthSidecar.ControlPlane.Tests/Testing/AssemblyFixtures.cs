using AuthSidecar.ControlPlane.Tests.Testing;

// One for all tests: to start it takes longer than they do.
[assembly: AssemblyFixture(typeof(PostgresServer))]

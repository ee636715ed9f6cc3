using System.Diagnostics;
using Npgsql;

namespace AuthSidecar.ControlPlane.Tests.Testing;

/// <summary>A real PostgreSQL, on a socket in a folder of its own.</summary>
/// <remarks>It refuses to run as root: then it runs as `postgres`, the user that its package makes.</remarks>
public sealed class PostgresServer : IAsyncLifetime
{
    private readonly string _folder = System.IO.Directory.CreateTempSubdirectory("postgres").FullName;
    private int _databases;

    /// <summary>Why there is none; null: there is.</summary>
    public string? Missing { get; private set; }

    private string Data => Path.Combine(_folder, "data");

    public async ValueTask InitializeAsync()
    {
        if (BinFolder() is null)
        {
            Missing = "PostgreSQL is not installed; ./test.sh installs it, as Debian's `postgresql`";
            return;
        }

        if (Environment.IsPrivilegedProcess)
        {
            await RunAsync("chown", "postgres", _folder);
        }

        await RunAsServerAsync("initdb", "-D", Data, "-A", "trust", "-U", "test", "--no-sync");
        await StartAsync();
    }

    public Task StartAsync() => RunAsServerAsync("pg_ctl", "-D", Data, "-w", "-o", $"-k {_folder} -h '' -c fsync=off -c max_connections=400", "-l", Path.Combine(_folder, "log"), "start");

    /// <summary>Ends it, and with it every connection.</summary>
    public Task StopAsync() => RunAsServerAsync("pg_ctl", "-D", Data, "-m", "fast", "stop");

    /// <summary>Makes an empty database.</summary>
    /// <returns>Its connection string.</returns>
    public async Task<string> CreateDatabaseAsync()
    {
        var name = $"test{Interlocked.Increment(ref _databases)}";
        await using var connection = new NpgsqlConnection(ConnectionTo("postgres"));
        await connection.OpenAsync();
        await using var command = new NpgsqlCommand($"CREATE DATABASE {name}", connection);
        await command.ExecuteNonQueryAsync();
        return ConnectionTo(name);
    }

    /// <summary>Makes a database of what another one has, in place of what it had; nobody may be connected to either.</summary>
    public async Task CopyDatabaseAsync(string from, string to)
    {
        NpgsqlConnection.ClearAllPools();
        await using var connection = new NpgsqlConnection(ConnectionTo("postgres"));
        await connection.OpenAsync();
        foreach (var text in new[] { $"DROP DATABASE IF EXISTS {NameOf(to)} WITH (FORCE)", $"CREATE DATABASE {NameOf(to)} TEMPLATE {NameOf(from)}" })
        {
            await using var command = new NpgsqlCommand(text, connection);
            await command.ExecuteNonQueryAsync();
        }
    }

    private static string NameOf(string connection) => new NpgsqlConnectionStringBuilder(connection).Database!;

    public async ValueTask DisposeAsync()
    {
        if (Missing is null)
        {
            NpgsqlConnection.ClearAllPools();
            await RunAsServerAsync("pg_ctl", "-D", Data, "-m", "immediate", "stop");
        }

        System.IO.Directory.Delete(_folder, recursive: true);
    }

    private string ConnectionTo(string database) => $"Host={_folder};Username=test;Database={database}";

    private static string? BinFolder() => System.IO.Directory.Exists("/usr/lib/postgresql")
        ? System.IO.Directory.EnumerateDirectories("/usr/lib/postgresql").Select(v => Path.Combine(v, "bin")).FirstOrDefault(b => File.Exists(Path.Combine(b, "initdb")))
        : null;

    private static Task RunAsServerAsync(string tool, params string[] arguments)
    {
        var path = Path.Combine(BinFolder()!, tool);
        return Environment.IsPrivilegedProcess ? RunAsync("runuser", ["-u", "postgres", "--", path, .. arguments]) : RunAsync(path, arguments);
    }

    private static async Task RunAsync(string file, params string[] arguments)
    {
        // Without pipes: the server would hold them open for as long as it runs.
        using var process = Process.Start(new ProcessStartInfo("sh", ["-c", "exec \"$0\" \"$@\" </dev/null >/dev/null 2>&1", file, .. arguments]) { WorkingDirectory = "/" })!;
        await process.WaitForExitAsync();
        Assert.True(process.ExitCode == 0, $"{file} {string.Join(' ', arguments)} ended with {process.ExitCode}");
    }
}

using BenchmarkDotNet.Running;
using Benchmarks;
using Benchmarks.Cedar;
using Benchmarks.Overload;
using Benchmarks.Sync;
using Benchmarks.Tokens;

return args switch
{
    // The host of load.sh: a whole sidecar with the sample's bundle, and an empty call beside the real ones.
    ["host", var folder, var port] => await LoadHost.RunAsync(folder, Number(port)),
    // Where the time of a check goes.
    ["parts", var folder] => await Parts.RunAsync(folder, ""),
    ["parts", var folder, var filter] => await Parts.RunAsync(folder, filter),
    // What a million entities weigh.
    ["weigh"] => Print($"{ManyEntities.Weigh():F0} bytes an entity"),
    // From a write to a thousand sidecars; and the server of the floor beside it.
    ["fleet", var folder, var sidecars, var control, var broadcast, var binary] => await FleetLoad.RunAsync(folder, Number(sidecars), Number(control), Number(broadcast), binary),
    // Sidecars that follow a control plane, for size.sh.
    ["followers", var token, var count, var address, var changes, var socket] => await Followers.RunAsync(token, Number(count), address, Number(changes), socket),
    // A rollout beside quiet streams.
    ["enrolments", var folder, var count, var control, var binary] => await Followers.RunEnrolmentsAsync(folder, Number(count), Number(control), binary),
    // A sidecar with very many users: what it takes in, and what callers notice.
    ["sidecar", var folder, var users, var control, var binary] => await SidecarLoad.RunAsync(folder, Number(users), Number(control), binary),
    // The same from outside, for several binaries.
    ["sidecar-binaries", var folder, var users, var control, var binary, .. var binaries] => await SidecarLoad.RunBinariesAsync(folder, Number(users), Number(control), binary, binaries),
    // What a token's first sight costs, in turns with the bare check of its signature.
    ["token-pairs"] => ValidationPairs.Run(),
    // A million tokens with random key ids beside good ones.
    ["unknown-keys", var folder] => await UnknownKeys.RunAsync(folder),
    // Revocations at a hundred sidecars.
    ["revocations", var folder, var sidecars, var cached, var control, var https, var binary] => await RevocationLoad.RunAsync(folder, Number(sidecars), Number(cached), Number(control), Number(https), binary),
    // A sidecar under attack.
    ["overload", var folder, var slowDisk, var binary, var filter] => await OverloadLoad.RunAsync(folder, slowDisk, binary, filter),
    ["overload-attack", var socket, var attack] => await OverloadLoad.AttackAsync(socket, attack),
    ["broadcast-host", var folder, var port] => await BroadcastHost.RunAsync(folder, Number(port)),
    // BenchmarkDotNet's own command line: --list flat, --filter '*Decisions*', …
    _ => BenchmarkSwitcher.FromAssembly(typeof(LoadHost).Assembly).Run(args, new JitAndAot()).Any(s => s.HasCriticalValidationErrors) ? 1 : 0,
};

static int Number(string text) => int.Parse(text, System.Globalization.CultureInfo.InvariantCulture);

static int Print(string line)
{
    Console.WriteLine(line);
    return 0;
}

namespace AuthSidecar.Bundles;

/// <summary>The most that each factor can contribute, from 0 to 100.</summary>
/// <param name="Device">How far the device is not a known one.</param>
/// <param name="Network">What the client's address is listed as.</param>
/// <param name="DeniedNetwork">For an address of a denied network, in place of the network's weight.</param>
/// <param name="Location">How far the place is not a usual one.</param>
/// <param name="Travel">Travel faster than anybody travels.</param>
/// <param name="Velocity">Requests in a minute.</param>
/// <param name="Failures">Wrong second factors in a row.</param>
/// <param name="Time">How unusual the hour is.</param>
/// <param name="Action">How sensitive the action is.</param>
internal sealed record RiskWeights(
    int Device = 25,
    int Network = 25,
    int DeniedNetwork = 100,
    int Location = 15,
    int Travel = 40,
    int Velocity = 15,
    int Failures = 20,
    int Time = 10,
    int Action = 15);

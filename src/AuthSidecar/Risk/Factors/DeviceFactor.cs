namespace AuthSidecar.Risk.Factors;

/// <summary>A device is known by the key it proves, or by its registration; never by what its user agent says.</summary>
internal static class DeviceFactor
{
    public static RiskFactor Evaluate(RiskInput input)
    {
        var weight = input.Settings.Weights.Device;
        if (input.Signals.Device is not { } device || (device.DeviceId.Length == 0 && device.KeyThumbprint.Length == 0))
            return Of("missing", 1, "nothing is known of the device", trusted: false);

        var known = input.Profile?.Devices ?? [];
        if (device.KeyThumbprint.Length > 0
            && known.Any(d => string.Equals(d.KeyThumbprint, device.KeyThumbprint, StringComparison.Ordinal)))
        {
            return Of("key proved", 0, "the device has proved the key it was registered with", trusted: true);
        }

        var registered = device.DeviceId.Length == 0 ? null
            : known.FirstOrDefault(d => string.Equals(d.DeviceId, device.DeviceId, StringComparison.Ordinal));
        return registered switch
        {
            null => Of("unknown", 1, "the device is not one of the subject's", trusted: false),
            { KeyThumbprint: not null } => Of("key not proved", 0.8, "the device is registered with a key, and has not proved it",
                trusted: false),
            _ => Of("registered", 0.2, "the device is registered, though not bound to a key", trusted: true),
        };

        RiskFactor Of(string value, double severity, string explanation, bool trusted) =>
            RiskFactor.Of("device", value, weight, severity, explanation, trusted);
    }
}

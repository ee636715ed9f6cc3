using AuthSidecar.Risk;
using Google.Protobuf.WellKnownTypes;

namespace AuthSidecar.Api.Wire;

/// <summary>Reads risk signals and proofs of possession.</summary>
internal readonly struct SignalReader(FieldViolations violations)
{
    private const int MaxForwardedFor = 32;
    private const int MaxDeviceIdBytes = 256;
    private const int MaxAddressBytes = 256;
    private const int MaxThumbprintBytes = 64;
    private const int MaxMethodBytes = 32;
    private const int MaxUriBytes = 4096;
    private const int CertificateHashBytes = 32;

    public RiskSignals? ReadSignals(string at, V1.RiskSignals? signals) => signals is null ? null : new RiskSignals
    {
        Device = ReadDevice(violations.At(at, ".device"), signals.Device),
        Network = ReadNetwork(violations.At(at, ".network"), signals.Network),
        Location = ReadLocation(violations.At(at, ".location"), signals.Location),
        Time = ReadTime(violations.At(at, ".time"), signals.Time),
    };

    public (DpopRequest? Dpop, byte[] CertificateSha256) ReadProof(string at, V1.TokenProof? proof) => (
        proof?.Dpop is { } dpop ? ReadDpop(violations.At(at, ".dpop"), dpop) : null,
        ReadCertificate(
            violations.At(at, ".client_certificate_sha256"), proof?.ClientCertificateSha256 ?? Google.Protobuf.ByteString.Empty));

    private DeviceSignal? ReadDevice(string at, V1.DeviceSignal? device)
    {
        if (device is null)
            return null;

        violations.Length(violations.At(at, ".device_id"), device.DeviceId, MaxDeviceIdBytes);
        violations.Length(violations.At(at, ".key_thumbprint"), device.KeyThumbprint, MaxThumbprintBytes);
        return new DeviceSignal(device.DeviceId, device.KeyThumbprint);
    }

    /// <summary>Addresses are left as they are: one that is no address is a signal too, and scored.</summary>
    private NetworkSignal? ReadNetwork(string at, V1.NetworkSignal? network)
    {
        if (network is null)
            return null;

        violations.Length(violations.At(at, ".peer_address"), network.PeerAddress, MaxAddressBytes);
        if (violations.Count(violations.At(at, ".forwarded_for"), network.ForwardedFor.Count, MaxForwardedFor))
        {
            for (var i = 0; i < network.ForwardedFor.Count; i++)
                violations.Length(violations.AtIndex(violations.At(at, ".forwarded_for"), i), network.ForwardedFor[i], MaxAddressBytes);
        }

        return new NetworkSignal(network.PeerAddress, network.ForwardedFor);
    }

    private Place? ReadLocation(string at, V1.LocationSignal? location)
    {
        if (location is null)
            return null;

        violations.Range(violations.At(at, ".latitude"), location.Latitude, -90, 90);
        violations.Range(violations.At(at, ".longitude"), location.Longitude, -180, 180);
        violations.Range(violations.At(at, ".accuracy_km"), location.AccuracyKm, 0, 20_000);
        return new Place(location.Latitude, location.Longitude, location.AccuracyKm);
    }

    private DateTimeOffset? ReadTime(string at, Timestamp? time)
    {
        if (time is null)
            return null;

        try
        {
            return time.ToDateTimeOffset();
        }
        catch (InvalidOperationException)
        {
            violations.Add(at, "not a time between the years 1 and 9999");
            return null;
        }
    }

    private DpopRequest ReadDpop(string at, V1.DpopProof dpop)
    {
        violations.Required(violations.At(at, ".http_method"), dpop.HttpMethod, MaxMethodBytes);
        violations.Required(violations.At(at, ".http_uri"), dpop.HttpUri, MaxUriBytes);
        return new DpopRequest(new Secret(dpop.Proof), dpop.HttpMethod, dpop.HttpUri);
    }

    private byte[] ReadCertificate(string at, Google.Protobuf.ByteString hash)
    {
        if (hash.Length is not (0 or CertificateHashBytes))
            violations.Add(at, $"must have {CertificateHashBytes} bytes, or be empty");

        return hash.ToByteArray();
    }
}

using AuthSidecar.Risk;
using AuthSidecar.Tokens;
using Google.Protobuf.WellKnownTypes;
using Wire = AuthSidecar.V1;

namespace AuthSidecar.Services;

/// <summary>Reads risk signals and proofs of possession.</summary>
internal readonly struct SignalReader(FieldChecks checks)
{
    private const int MaxForwardedFor = 32;
    private const int MaxDeviceIdBytes = 256;
    private const int MaxAddressBytes = 256;
    private const int MaxThumbprintBytes = 64;
    private const int MaxMethodBytes = 32;
    private const int MaxUriBytes = 4096;
    private const int CertificateHashBytes = 32;

    public RiskSignals? ReadSignals(string at, Wire.RiskSignals? signals) => signals is null ? null : new RiskSignals
    {
        Device = ReadDevice(checks.At(at, ".device"), signals.Device),
        Network = ReadNetwork(checks.At(at, ".network"), signals.Network),
        Location = ReadLocation(checks.At(at, ".location"), signals.Location),
        Time = ReadTime(checks.At(at, ".time"), signals.Time),
    };

    public (DpopRequest? Dpop, byte[] CertificateSha256) ReadProof(string at, Wire.TokenProof? proof) => (
        proof?.Dpop is { } dpop ? ReadDpop(checks.At(at, ".dpop"), dpop) : null,
        ReadCertificate(checks.At(at, ".client_certificate_sha256"), proof?.ClientCertificateSha256 ?? Google.Protobuf.ByteString.Empty));

    private DeviceSignal? ReadDevice(string at, Wire.DeviceSignal? device)
    {
        if (device is null)
        {
            return null;
        }

        checks.Length(checks.At(at, ".device_id"), device.DeviceId, MaxDeviceIdBytes);
        checks.Length(checks.At(at, ".key_thumbprint"), device.KeyThumbprint, MaxThumbprintBytes);
        return new DeviceSignal(device.DeviceId, device.KeyThumbprint);
    }

    /// <summary>Addresses are left as they are: one that is no address is a signal too, and scored.</summary>
    private NetworkSignal? ReadNetwork(string at, Wire.NetworkSignal? network)
    {
        if (network is null)
        {
            return null;
        }

        checks.Length(checks.At(at, ".peer_address"), network.PeerAddress, MaxAddressBytes);
        if (checks.Count(checks.At(at, ".forwarded_for"), network.ForwardedFor.Count, MaxForwardedFor))
        {
            for (var i = 0; i < network.ForwardedFor.Count; i++)
            {
                checks.Length(checks.AtIndex(checks.At(at, ".forwarded_for"), i), network.ForwardedFor[i], MaxAddressBytes);
            }
        }

        return new NetworkSignal(network.PeerAddress, network.ForwardedFor);
    }

    private Place? ReadLocation(string at, Wire.LocationSignal? location)
    {
        if (location is null)
        {
            return null;
        }

        checks.Range(checks.At(at, ".latitude"), location.Latitude, -90, 90);
        checks.Range(checks.At(at, ".longitude"), location.Longitude, -180, 180);
        checks.Range(checks.At(at, ".accuracy_km"), location.AccuracyKm, 0, 20_000);
        return new Place(location.Latitude, location.Longitude, location.AccuracyKm);
    }

    private DateTimeOffset? ReadTime(string at, Timestamp? time)
    {
        if (time is null)
        {
            return null;
        }

        try
        {
            return time.ToDateTimeOffset();
        }
        catch (InvalidOperationException)
        {
            checks.Add(at, "not a time between the years 1 and 9999");
            return null;
        }
    }

    private DpopRequest ReadDpop(string at, Wire.DpopProof dpop)
    {
        checks.Required(checks.At(at, ".http_method"), dpop.HttpMethod, MaxMethodBytes);
        checks.Required(checks.At(at, ".http_uri"), dpop.HttpUri, MaxUriBytes);
        return new DpopRequest(new Secret(dpop.Proof), dpop.HttpMethod, dpop.HttpUri);
    }

    private byte[] ReadCertificate(string at, Google.Protobuf.ByteString hash)
    {
        if (hash.Length is not (0 or CertificateHashBytes))
        {
            checks.Add(at, $"{CertificateHashBytes} bytes, or none");
        }

        return hash.ToByteArray();
    }
}

using System.CommandLine;
using System.Text.RegularExpressions;
using AuthSidecar.Cedar;
using Wire = AuthSidecar.V1;

namespace AuthSidecar.Cli;

/// <summary>Options that several commands share, and how their texts become messages.</summary>
internal static partial class Options
{
    public static Option<string> TokenFile { get; } = new("--token-file") { Description = "The file with the token; `-` for standard input." };

    public static Option<string> Token { get; } = new("--token") { Description = "The token itself. Others can see it in the list of processes: prefer --token-file." };

    public static Option<string> DeviceId { get; } = new("--device") { Description = "The id of the device." };

    public static Option<string> DeviceKey { get; } = new("--device-key") { Description = "The thumbprint of the key that the device has proved." };

    public static Option<string> PeerAddress { get; } = new("--peer") { Description = "The address of the caller's peer." };

    public static Option<string[]> ForwardedFor { get; } = new("--forwarded-for") { Description = "An address of X-Forwarded-For, in order; may be repeated." };

    public static Option<string> Location { get; } = new("--location") { Description = "Latitude, longitude and accuracy (km), such as `47.37,8.54,25`." };

    public static IEnumerable<Option> Signals => [DeviceId, DeviceKey, PeerAddress, ForwardedFor, Location];

    public static string ReadToken(ParseResult parsed)
    {
        var file = parsed.GetValue(TokenFile);
        return file is null ? parsed.GetValue(Token) ?? "" : (file == "-" ? Console.In.ReadToEnd() : File.ReadAllText(file)).Trim();
    }

    public static Wire.EntityUid ReadUid(string option, string text) => EntityUid.TryParse(text, out var uid, out var fault)
        ? ToWire(uid)
        : throw new UsageException($"{option}: `{text}`: {fault.Message}; write it as in Cedar, such as 'User::\"alice\"'");

    /// <summary>An action: a bare word is <c>Action::"word"</c>.</summary>
    public static Wire.EntityUid ReadAction(string option, string text) =>
        text.Contains("::", StringComparison.Ordinal) ? ReadUid(option, text) : new Wire.EntityUid { Id = text };

    /// <summary><c>name=value</c>, the value as in Cedar; a bare word is a string.</summary>
    public static (string Name, Wire.Value Value) ReadAttribute(string option, string text)
    {
        var equals = text.IndexOf('=', StringComparison.Ordinal);
        if (equals < 1)
        {
            throw new UsageException($"{option}: `{text}` is not of the form name=value");
        }

        var (name, literal) = (text[..equals], text[(equals + 1)..]);
        if (BareWord().IsMatch(literal) && literal is not ("true" or "false"))
        {
            return (name, new Wire.Value { String = literal });
        }

        return Value.TryParse(literal, out var value, out var fault)
            ? (name, ToWire(value))
            : throw new UsageException($"{option}: `{literal}`: {fault}");
    }

    public static Wire.RiskSignals? ReadSignals(ParseResult parsed)
    {
        var signals = new Wire.RiskSignals();
        if (parsed.GetValue(DeviceId) is not null || parsed.GetValue(DeviceKey) is not null)
        {
            signals.Device = new Wire.DeviceSignal { DeviceId = parsed.GetValue(DeviceId) ?? "", KeyThumbprint = parsed.GetValue(DeviceKey) ?? "" };
        }

        if (parsed.GetValue(PeerAddress) is { } peer)
        {
            signals.Network = new Wire.NetworkSignal { PeerAddress = peer, ForwardedFor = { parsed.GetValue(ForwardedFor) ?? [] } };
        }

        if (parsed.GetValue(Location) is { } location)
        {
            signals.Location = ReadLocation(location);
        }

        return signals.Equals(new Wire.RiskSignals()) ? null : signals;
    }

    private static Wire.LocationSignal ReadLocation(string text)
    {
        var parts = text.Split(',').Select(p => double.TryParse(p, System.Globalization.CultureInfo.InvariantCulture, out var number) ? number : double.NaN).ToArray();
        return parts.Length == 3
            ? new Wire.LocationSignal { Latitude = parts[0], Longitude = parts[1], AccuracyKm = parts[2] }
            : throw new UsageException($"{Location.Name}: `{text}` is not latitude,longitude,accuracy");
    }

    private static Wire.EntityUid ToWire(EntityUid uid) => new() { Type = uid.Type, Id = uid.Id };

    private static Wire.Value ToWire(Value value)
    {
        if (value.TryGet(out bool truth))
        {
            return new Wire.Value { Bool = truth };
        }

        if (value.TryGet(out long number))
        {
            return new Wire.Value { Long = number };
        }

        if (value.TryGet(out string? text))
        {
            return new Wire.Value { String = text };
        }

        if (value.TryGet(out EntityUid? uid))
        {
            return new Wire.Value { Entity = ToWire(uid) };
        }

        if (value.TryGet(out ValueSet? set))
        {
            return new Wire.Value { Set = new Wire.SetValue { Items = { set.Select(ToWire) } } };
        }

        if (value.TryGet(out ValueRecord? record))
        {
            var fields = new Wire.RecordValue();
            foreach (var (name, field) in record)
            {
                fields.Fields.Add(name, ToWire(field));
            }

            return new Wire.Value { Record = fields };
        }

        return value.TryGet(out Decimal4 fraction) ? new Wire.Value { Decimal = fraction.ToString() }
            : value.TryGet(out IpRange? range) ? new Wire.Value { Ip = range.ToString() }
            : value.TryGet(out Instant instant) ? new Wire.Value { Datetime = instant.ToString() }
            : value.TryGet(out Duration duration) ? new Wire.Value { Duration = duration.ToString() }
            : throw new UsageException($"`{value}` cannot be sent");
    }

    [GeneratedRegex(@"^[A-Za-z][A-Za-z0-9_.@-]*$")]
    private static partial Regex BareWord();
}

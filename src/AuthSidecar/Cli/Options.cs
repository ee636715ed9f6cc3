namespace AuthSidecar.Cli;

/// <summary>Options that several commands share, and how their texts become messages.</summary>
internal static partial class Options
{
    public static Option<string> TokenFile { get; } = CliOption.Of<string>(
        "--token-file", "FILE", "The file with the token; `-` for standard input.");

    public static Option<string> Token { get; } = CliOption.Of<string>(
        "--token", "TOKEN", "The token itself. Others can see it in the list of processes: prefer --token-file.");

    public static Option<string> DeviceId { get; } = CliOption.Of<string>("--device", "ID", "The id of the device.");

    public static Option<string> DeviceKey { get; } = CliOption.Of<string>(
        "--device-key", "THUMBPRINT", "The thumbprint of the key that the device has proved.");

    public static Option<string> PeerAddress { get; } = CliOption.Of<string>("--peer", "ADDRESS", "The address of the caller's peer.");

    public static Option<string[]> ForwardedFor { get; } = CliOption.Of<string[]>(
        "--forwarded-for", "ADDRESS", "An address of X-Forwarded-For, in order; may be repeated.");

    public static Option<string> Location { get; } = CliOption.Of<string>(
        "--location", "LAT,LON,KM", "Latitude, longitude and accuracy (km), such as `47.37,8.54,25`.");

    public static Option<bool> FailOnWarnings() =>
        CliOption.Flag("--fail-on-warnings", "Exit with 1 if there are warnings, as for errors.");

    public static IEnumerable<Option> Signals => [DeviceId, DeviceKey, PeerAddress, ForwardedFor, Location];

    /// <summary>What the value of an attribute may be, for the help.</summary>
    public const string ValueForm =
        "as name=value: the value as in Cedar, such as `42`, `[\"a\"]` or `ip(\"192.0.2.1\")`; a bare word is a string";

    /// <param name="parsed">The command line.</param>
    /// <param name="required">The options that may give it, for the message where none does.</param>
    public static string ReadToken(ParseResult parsed, string required)
    {
        var (file, token) = (parsed.GetValue(TokenFile), parsed.GetValue(Token));
        if (file is not null && token is not null)
            throw new UsageException($"{TokenFile.Name} excludes {Token.Name}");

        token = file is null ? token ?? throw new UsageException($"{required} is required")
            : (file == "-" ? Console.In.ReadToEnd() : File.ReadAllText(file)).Trim();
        return token.Length > 0 ? token : throw new UsageException($"{(file is null ? Token : TokenFile).Name}: the token is empty");
    }

    public static V1.EntityUid ReadUid(string option, string text) => EntityUid.TryParse(text, out var uid, out var fault)
        ? ToWire(uid)
        : throw new UsageException($"{option}: `{text}`: {fault.Message}; write it as in Cedar, such as 'User::\"alice\"'");

    /// <summary>An action: a bare word is <c>Action::"word"</c>.</summary>
    public static V1.EntityUid ReadAction(string option, string text) =>
        text.Contains("::", StringComparison.Ordinal) ? ReadUid(option, text) : new V1.EntityUid { Id = text };

    /// <summary><c>name=value</c>, the value as in Cedar; a bare word is a string.</summary>
    public static (string Name, V1.Value Value) ReadAttribute(string option, string text)
    {
        var equals = text.IndexOf('=', StringComparison.Ordinal);
        if (equals < 1)
            throw new UsageException($"{option}: `{text}` is not of the form name=value");

        var (name, literal) = (text[..equals], text[(equals + 1)..]);
        if (BareWord().IsMatch(literal) && literal is not ("true" or "false"))
            return (name, new V1.Value { String = literal });

        return Value.TryParse(literal, out var value, out var fault)
            ? (name, ToWire(value))
            : throw new UsageException($"{option}: `{literal}`: {fault}");
    }

    public static V1.RiskSignals? ReadSignals(ParseResult parsed)
    {
        var signals = new V1.RiskSignals();
        if (parsed.GetValue(DeviceId) is not null || parsed.GetValue(DeviceKey) is not null)
        {
            signals.Device = new V1.DeviceSignal
            {
                DeviceId = parsed.GetValue(DeviceId) ?? "",
                KeyThumbprint = parsed.GetValue(DeviceKey) ?? "",
            };
        }

        if (parsed.GetValue(PeerAddress) is { } peer)
            signals.Network = new V1.NetworkSignal { PeerAddress = peer, ForwardedFor = { parsed.GetValue(ForwardedFor) ?? [] } };

        if (parsed.GetValue(Location) is { } location)
            signals.Location = ReadLocation(location);

        return signals.Equals(new V1.RiskSignals()) ? null : signals;
    }

    private static V1.LocationSignal ReadLocation(string text)
    {
        var parts = text.Split(',').Select(
            p => double.TryParse(p, System.Globalization.CultureInfo.InvariantCulture, out var number) ? number : double.NaN).ToArray();
        return parts.Length == 3
            ? new V1.LocationSignal { Latitude = parts[0], Longitude = parts[1], AccuracyKm = parts[2] }
            : throw new UsageException($"{Location.Name}: `{text}` is not latitude,longitude,accuracy");
    }

    private static V1.EntityUid ToWire(EntityUid uid) => new() { Type = uid.Type, Id = uid.Id };

    private static V1.Value ToWire(Value value)
    {
        if (value.TryGet(out bool truth))
            return new V1.Value { Bool = truth };

        if (value.TryGet(out long number))
            return new V1.Value { Long = number };

        if (value.TryGet(out string? text))
            return new V1.Value { String = text };

        if (value.TryGet(out EntityUid? uid))
            return new V1.Value { Entity = ToWire(uid) };

        if (value.TryGet(out ValueSet? set))
            return new V1.Value { Set = new V1.SetValue { Items = { set.Select(ToWire) } } };

        if (value.TryGet(out ValueRecord? record))
        {
            var fields = new V1.RecordValue();
            foreach (var (name, field) in record)
                fields.Fields.Add(name, ToWire(field));

            return new V1.Value { Record = fields };
        }

        return value.TryGet(out CedarDecimal fraction) ? new V1.Value { Decimal = fraction.ToString() }
            : value.TryGet(out IpRange? range) ? new V1.Value { Ip = range.ToString() }
            : value.TryGet(out Instant instant) ? new V1.Value { Datetime = instant.ToString() }
            : value.TryGet(out Duration duration) ? new V1.Value { Duration = duration.ToString() }
            : throw new UsageException($"`{value}` cannot be sent");
    }

    [GeneratedRegex(@"^[A-Za-z][A-Za-z0-9_.@-]*$")]
    private static partial Regex BareWord();
}

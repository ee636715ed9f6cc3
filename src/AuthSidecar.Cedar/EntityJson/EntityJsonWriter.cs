using System.Text.Encodings.Web;

namespace AuthSidecar.Cedar;

/// <summary>Writes entities in Cedar's JSON format, such as <see cref="EntityJsonReader"/> reads back as they were.</summary>
internal static class EntityJsonWriter
{
    // Not for a page: whoever puts it into one escapes it there.
    private static readonly JsonWriterOptions Options = new() { Encoder = JavaScriptEncoder.UnsafeRelaxedJsonEscaping };

    public static string Write(Entity entity)
    {
        using var bytes = new MemoryStream();
        using (var json = new Utf8JsonWriter(bytes, Options))
        {
            json.WriteStartObject();
            json.WritePropertyName("uid");
            WriteUid(json, entity.Uid);
            json.WritePropertyName("attrs");
            WriteRecord(json, entity.Attributes);
            json.WriteStartArray("parents");
            foreach (var parent in entity.Parents)
                WriteUid(json, parent);

            json.WriteEndArray();
            if (entity.Tags.Count > 0)
            {
                json.WritePropertyName("tags");
                WriteRecord(json, entity.Tags);
            }

            json.WriteEndObject();
        }

        return Encoding.UTF8.GetString(bytes.GetBuffer(), 0, (int)bytes.Length);
    }

    private static void WriteUid(Utf8JsonWriter json, EntityUid uid)
    {
        json.WriteStartObject();
        json.WriteString("type", uid.Type);
        json.WriteString("id", uid.Id);
        json.WriteEndObject();
    }

    private static void WriteRecord(Utf8JsonWriter json, ValueRecord record)
    {
        json.WriteStartObject();
        foreach (var (name, value) in record.Fields)
        {
            json.WritePropertyName(name);
            WriteValue(json, value);
        }

        json.WriteEndObject();
    }

    private static void WriteValue(Utf8JsonWriter json, Value value)
    {
        switch (value.Kind)
        {
            case ValueKind.Bool: json.WriteBooleanValue(value.IsTrue); break;
            case ValueKind.Long when value.TryGet(out long number): json.WriteNumberValue(number); break;
            case ValueKind.String when value.TryGet(out string? text): json.WriteStringValue(text); break;
            case ValueKind.Record when value.TryGet(out ValueRecord? record): WriteRecord(json, record); break;
            case ValueKind.Set when value.TryGet(out ValueSet? set):
                json.WriteStartArray();
                foreach (var item in set.Items)
                    WriteValue(json, item);

                json.WriteEndArray();
                break;
            case ValueKind.Entity when value.TryGet(out EntityUid? uid):
                json.WriteStartObject();
                json.WritePropertyName("__entity");
                WriteUid(json, uid);
                json.WriteEndObject();
                break;
            case ValueKind.Datetime when value.TryGet(out Instant instant):
                // As a distance, which every instant has; a text has only those of years with four digits.
                json.WriteStartObject();
                json.WriteStartObject("__extn");
                json.WriteString("fn", "offset");
                json.WriteStartArray("args");
                WriteExtension(json, "datetime", "1970-01-01");
                WriteExtension(json, "duration", new Duration(instant.UnixMs).ToString());
                json.WriteEndArray();
                json.WriteEndObject();
                json.WriteEndObject();
                break;
            case ValueKind.IpAddr when value.TryGet(out IpRange? range): WriteExtension(json, "ip", range.ToString()); break;
            case ValueKind.Decimal when value.TryGet(out CedarDecimal number): WriteExtension(json, "decimal", number.ToString()); break;
            case ValueKind.Duration when value.TryGet(out Duration duration): WriteExtension(json, "duration", duration.ToString()); break;
            default: throw new InvalidOperationException($"no JSON for {value.Kind.Name()}");
        }
    }

    private static void WriteExtension(Utf8JsonWriter json, string function, string argument)
    {
        json.WriteStartObject();
        json.WriteStartObject("__extn");
        json.WriteString("fn", function);
        json.WriteString("arg", argument);
        json.WriteEndObject();
        json.WriteEndObject();
    }
}

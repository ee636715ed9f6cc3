using System.Collections;
using System.Text.Json;
using System.Text.Json.Serialization.Metadata;

namespace AuthSidecar.Bundles;

/// <summary>Reads JSON files strictly: no unknown member, none twice, none of the required ones missing.</summary>
/// <remarks>Their types have setters and not <c>init</c>: generated serializers forget the defaults of properties that can only be
/// initialised.</remarks>
/// <param name="types">What there is to read and write.</param>
internal sealed class StrictJsonFiles(IJsonTypeInfoResolver types)
{
    private readonly JsonSerializerOptions _options = new(JsonSerializerDefaults.Web)
    {
        AllowDuplicateProperties = false,
        // Bundles are files, not pages: `at+jwt` is to be read as such.
        Encoder = System.Text.Encodings.Web.JavaScriptEncoder.UnsafeRelaxedJsonEscaping,
        NumberHandling = JsonNumberHandling.Strict,
        PropertyNameCaseInsensitive = false,
        ReadCommentHandling = JsonCommentHandling.Skip,
        RespectNullableAnnotations = true,
        RespectRequiredConstructorParameters = true,
        TypeInfoResolver = types,
        UnmappedMemberHandling = JsonUnmappedMemberHandling.Disallow,
        WriteIndented = true,
    };

    public T? Read<T>(string name, byte[] utf8, List<Fault> faults)
        where T : class
    {
        try
        {
            var value = JsonSerializer.Deserialize(utf8, (JsonTypeInfo<T>)_options.GetTypeInfo(typeof(T)));
            if (value is null)
            {
                faults.Add(new Fault(name, 1, 1, "expected an object, found null"));
            }
            else if (FindNull(value, typeof(T)) is { } path)
            {
                faults.Add(new Fault(name, 0, 0, $"at `{path}`: unexpected null") { Field = path.Split('.', '[')[0] });
                return null;
            }

            return value;
        }
        catch (JsonException e)
        {
            faults.Add(
                new Fault(name, (int)(e.LineNumber ?? 0) + 1, (int)(e.BytePositionInLine ?? 0) + 1, Describe(e)) { Field = FieldOf(e) });
            return null;
        }
    }

    public byte[] Write<T>(T value) => JsonSerializer.SerializeToUtf8Bytes(value, (JsonTypeInfo<T>)_options.GetTypeInfo(typeof(T)));

    // The serializer holds members against their types, but not the elements of lists and dictionaries.
    private string? FindNull(object value, Type type)
    {
        var info = _options.GetTypeInfo(type);
        switch (value)
        {
            case string:
                return null;
            case IDictionary entries:
                foreach (DictionaryEntry entry in entries)
                {
                    if (Inside(entry.Value, info.ElementType!, $"['{entry.Key}']") is { } path)
                        return path;
                }

                return null;
            case IEnumerable elements when info.ElementType is { IsValueType: false } element:
                var index = 0;
                foreach (var each in elements)
                {
                    if (Inside(each, element, $"[{index++}]") is { } path)
                        return path;
                }

                return null;
            default:
                return info.Properties
                    .Where(p => p is { Get: not null, PropertyType.IsValueType: false })
                    .Select(p => p.Get!(value) is { } member && FindNull(member, p.PropertyType) is { } path
                        ? p.Name + (path[0] == '[' ? "" : ".") + path : null)
                    .FirstOrDefault(p => p is not null);
        }

        string? Inside(object? each, Type element, string at)
        {
            if (each is null)
                return at;

            return element.IsValueType || FindNull(each, element) is not { } path ? null : at + (path[0] == '[' ? "" : ".") + path;
        }
    }

    // The serializer's message names internal types and repeats the position, which the fault already has.
    private static string Describe(JsonException e)
    {
        var end = e.Message.IndexOf(" Path:", StringComparison.Ordinal);
        var words = end < 0 ? e.Message : e.Message[..end];
        var names = string.Join(", ", words.Split('\'').Where((_, i) => i % 2 == 1).Where(n => !n.Contains('.', StringComparison.Ordinal))
            .Select(n => $"`{n}`"));
        var what = words switch
        {
            _ when words.StartsWith("JSON deserialization for type", StringComparison.Ordinal) => $"missing {names}",
            _ when words.Contains("could not be mapped to any .NET member", StringComparison.Ordinal) => "unknown field",
            _ when words.EndsWith("could not be converted to System.String.", StringComparison.Ordinal) => "expected a string",
            _ when words.StartsWith("The JSON value could not be converted to", StringComparison.Ordinal) => "the value has the wrong type",
            _ when words.Contains("doesn't allow setting null values", StringComparison.Ordinal) => "unexpected null",
            _ => words,
        };
        return e.Path is null or "$" ? what : $"at `{e.Path}`: {what}";
    }

    // `$.weights.device`, `$.actions['…']`: the document's own field of it.
    private static string? FieldOf(JsonException e) => e.Path is ['$', '.', .. var path] ? path.Split('.', '[')[0] : null;
}

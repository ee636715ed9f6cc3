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
        TypeInfoResolver = types.WithAddedModifier(RemoveDerived),
        UnmappedMemberHandling = JsonUnmappedMemberHandling.Disallow,
        WriteIndented = true,
    };

    public T? Read<T>(string name, byte[] utf8, List<Fault> faults)
        where T : class
    {
        try
        {
            // Editors of some systems write a byte order mark, which RFC 8259, section 8.1 lets readers ignore.
            var content = utf8.AsSpan(utf8 is [0xef, 0xbb, 0xbf, ..] ? 3 : 0);
            var value = JsonSerializer.Deserialize(content, (JsonTypeInfo<T>)_options.GetTypeInfo(typeof(T)));
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
            faults.Add(JsonFaults.Of(e, name, utf8, _options.GetTypeInfo(typeof(T)), _options));
            return null;
        }
    }

    public byte[] Write<T>(T value) => JsonSerializer.SerializeToUtf8Bytes(value, (JsonTypeInfo<T>)_options.GetTypeInfo(typeof(T)));

    /// <summary>Leaves out properties that are derived from others: written, they would be members that a stricter reader does not know,
    /// and read, members that are ignored.</summary>
    private static void RemoveDerived(JsonTypeInfo type)
    {
        for (var i = type.Properties.Count - 1; i >= 0; i--)
        {
            if (type.Properties[i].Set is null)
                type.Properties.RemoveAt(i);
        }
    }

    // The serializer holds members against their types, but not the elements of lists and dictionaries.
    private string? FindNull(object value, Type type)
    {
        var info = _options.GetTypeInfo(type);
        switch (value)
        {
            case string: return null;
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
}

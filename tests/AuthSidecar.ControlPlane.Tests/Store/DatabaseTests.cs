using AuthSidecar.ControlPlane.Store;
using Microsoft.EntityFrameworkCore;
using Npgsql;

namespace AuthSidecar.ControlPlane.Tests.Store;

public sealed class DatabaseTests
{
    /// <summary>Two nodes have room on a server with its default of a hundred connections; whoever says how many gets as many.</summary>
    [Theory]
    [InlineData("Host=db;Username=u", 40)]
    [InlineData("Host=db;Username=u;Maximum Pool Size=100", 100)]
    [InlineData("Host=db;Username=u;maximum pool size=7", 7)]
    [InlineData("Host=db;Username=u;MaxPoolSize=7", 7)]
    public void Postgres_Connections_AreAsManyAsANodeMayHave(string connection, int expected)
    {
        using var context = Database.Parse($"postgres:{connection}").Open();
        Assert.Equal(expected, new NpgsqlConnectionStringBuilder(context.Database.GetConnectionString()).MaxPoolSize);
    }

    [Fact]
    public void Announcement_Written_IsReadAsItWas()
    {
        var revision = new Revision(new History(1UL << 40), 7);
        foreach (var touched in new HashSet<Placement>[] { [], [new("", "")], [new("app", ""), new("app", "acme"), new("", "acme")] })
        {
            Assert.True(Announcement.TryParse(Announcement.Write(revision, 3, touched), out var read));
            Assert.Equal((revision, 3), (read.Revision, read.Notes));
            Assert.True(touched.SetEquals(read.Touched!));
        }

        Assert.True(Announcement.TryParse(Announcement.Write(revision, 3, Enumerable.Range(0, 10_000).Select(i => new Placement("app", $"{i}")).ToHashSet()), out var many));
        Assert.Null(many.Touched);
        Assert.False(Announcement.TryParse("7", out _));
        Assert.False(Announcement.TryParse("", out _));
    }

    [Theory]
    [InlineData("postgres:Hots=db")]
    [InlineData("postgres:Host=db;Port=x")]
    [InlineData("postgres:db")]
    [InlineData("postgres:")]
    [InlineData("sqlite:")]
    [InlineData("mysql:Host=db")]
    [InlineData("")]
    public void Parse_WhatIsNoDatabase_SaysSo(string text) => Assert.Throws<FormatException>(() => Database.Parse(text));
}

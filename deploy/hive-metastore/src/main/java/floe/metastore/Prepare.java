package floe.metastore;

import java.io.IOException;
import java.net.URI;
import java.nio.file.AccessDeniedException;
import java.nio.file.Files;
import java.nio.file.Path;
import java.sql.Connection;
import java.sql.DriverManager;
import java.sql.ResultSet;
import java.sql.SQLException;
import java.sql.Statement;
import org.apache.hadoop.conf.Configuration;
import org.apache.hadoop.fs.FileSystem;
import org.apache.hadoop.fs.s3a.UnknownStoreException;
import org.apache.hadoop.hive.metastore.HiveMetaException;
import org.apache.hadoop.hive.metastore.MetaStoreSchemaInfo;
import org.apache.hadoop.hive.metastore.conf.MetastoreConf;
import org.apache.hadoop.hive.metastore.conf.MetastoreConf.ConfVars;

/**
 * What the metastore needs before it starts: a bucket that can be read, and a database with the schema of this version.
 * The schema is made or upgraded in one transaction, so that being killed leaves it as it was; Hive's own schematool
 * leaves half of it.
 */
public final class Prepare {
  private static final class Refusal extends Exception {
    Refusal(String sentence, Throwable cause) {
      super(sentence, cause);
    }
  }

  public static void main(String[] arguments) {
    try {
      Configuration settings = MetastoreConf.newMetastoreConf();
      checkBucket(settings);
      prepareSchema(settings);
    } catch (Refusal refusal) {
      System.err.println("[prepare] " + refusal.getMessage());
      System.exit(1);
    }
  }

  private static void checkBucket(Configuration settings) throws Refusal {
    URI warehouse = URI.create(MetastoreConf.getVar(settings, ConfVars.WAREHOUSE));
    String endpoint = settings.get("fs.s3a.endpoint");
    Configuration quick = new Configuration(settings);
    quick.setInt("fs.s3a.bucket.probe", 2);
    quick.setInt("fs.s3a.attempts.maximum", 2);
    quick.setInt("fs.s3a.retry.limit", 2);
    quick.setInt("fs.s3a.connection.establish.timeout", 3000);
    try (FileSystem bucket = FileSystem.newInstance(warehouse, quick)) {
      // The probe takes a bucket that it may not read for one that is there.
      bucket.exists(new org.apache.hadoop.fs.Path(warehouse));
      say("The bucket " + warehouse.getHost() + " is there.");
    } catch (UnknownStoreException missing) {
      throw new Refusal("The bucket " + warehouse.getHost() + " does not exist at " + endpoint + ": make it, or correct FLOE_WAREHOUSE.", missing);
    } catch (AccessDeniedException denied) {
      throw new Refusal("The bucket " + warehouse.getHost() + " at " + endpoint + " cannot be read with the key of FLOE_S3_ACCESS_KEY: correct it or FLOE_S3_SECRET_KEY.", denied);
    } catch (IOException unreachable) {
      throw new Refusal("The object storage at " + endpoint + " does not answer (" + lastCause(unreachable) + "): start it, or correct FLOE_S3_ENDPOINT.", unreachable);
    }
  }

  private static void prepareSchema(Configuration settings) throws Refusal {
    String database = MetastoreConf.getVar(settings, ConfVars.CONNECT_URL_KEY);
    String user = MetastoreConf.getVar(settings, ConfVars.CONNECTION_USER_NAME);
    try (Connection connection = DriverManager.getConnection(database, user, MetastoreConf.getPassword(settings, ConfVars.PWD))) {
      connection.setAutoCommit(false);
      try (Statement statement = connection.createStatement()) {
        // One metastore at a time: 9083 is only a number that they all use.
        statement.execute("SELECT pg_advisory_xact_lock(9083)");
        bringUpToDate(statement);
      }
      connection.commit();
    } catch (SQLException failed) {
      throw new Refusal(sentence(failed, database, user), failed);
    } catch (IOException | HiveMetaException failed) {
      throw new Refusal("The schema of the metastore in " + database + " cannot be prepared: " + failed.getMessage(), failed);
    }
  }

  private static void bringUpToDate(Statement statement) throws SQLException, IOException, HiveMetaException {
    MetaStoreSchemaInfo hive = new MetaStoreSchemaInfo(System.getenv("METASTORE_HOME"), "postgres");
    Path scripts = Path.of(hive.getMetaStoreScriptDir());
    String present = version(statement);
    if (present == null) {
      say("Making the schema, version " + hive.getHiveSchemaVersion() + ".");
      statement.execute(Files.readString(scripts.resolve(hive.generateInitFileName(null))));
      return;
    }
    for (String script : hive.getUpgradeScripts(present)) {
      say("Upgrading the schema: " + script + ".");
      statement.execute(Files.readString(scripts.resolve(script)));
    }
    say("The schema has the version " + hive.getHiveSchemaVersion() + ".");
  }

  /** Null where there is no schema yet. */
  private static String version(Statement statement) throws SQLException {
    try (ResultSet table = statement.executeQuery("SELECT to_regclass('\"VERSION\"')")) {
      table.next();
      if (table.getString(1) == null) return null;
    }
    try (ResultSet row = statement.executeQuery("SELECT \"SCHEMA_VERSION\" FROM \"VERSION\"")) {
      return row.next() ? row.getString(1) : null;
    }
  }

  private static String sentence(SQLException failed, String database, String user) {
    String state = failed.getSQLState() == null ? "" : failed.getSQLState();
    switch (state) {
      case "28P01":
      case "28000":
        return "PostgreSQL refuses the user " + user + " at " + database + ": correct POSTGRES_USER or POSTGRES_PASSWORD, which a database keeps from its first start.";
      case "3D000":
        return "PostgreSQL has no such database as " + database + ": make it, or correct METASTORE_DATABASE.";
      case "42P07":
        return "The database " + database + " has tables of a metastore but not their version, as after an interrupted initialisation: empty it, and start again.";
      default:
        return state.startsWith("08") || state.equals("57P03")
            ? "PostgreSQL does not answer at " + database + " (" + lastCause(failed) + "): start it, or correct METASTORE_DATABASE."
            : "The schema of the metastore in " + database + " cannot be prepared: " + failed.getMessage();
    }
  }

  private static String lastCause(Throwable failure) {
    Throwable last = failure;
    while (last.getCause() != null) last = last.getCause();
    return last.getMessage() == null ? last.getClass().getSimpleName() : last.getMessage();
  }

  private static void say(String line) {
    System.out.println("[prepare] " + line);
  }
}

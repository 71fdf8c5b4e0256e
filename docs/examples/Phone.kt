// A phone that speaks to Fujing: Kotlin for Android 8 (API 26) and later, OkHttp 4 or 5, and the org.json of Android.
// See docs/mobile.md. Call it off the main thread. `folder` is the app's own: Context.filesDir.
//
// Here one person uses the phone; on a shared phone store each entry with its person, and send it in that person's
// session.
package cn.example.fujing

import android.security.keystore.KeyGenParameterSpec
import android.security.keystore.KeyProperties
import android.util.AtomicFile
import java.io.ByteArrayOutputStream
import java.io.File
import java.io.IOException
import java.io.RandomAccessFile
import java.math.BigInteger
import java.security.KeyFactory
import java.security.KeyPairGenerator
import java.security.KeyStore
import java.security.MessageDigest
import java.security.PrivateKey
import java.security.Signature
import java.security.interfaces.ECPublicKey
import java.security.spec.ECGenParameterSpec
import java.security.spec.X509EncodedKeySpec
import java.time.Duration
import java.time.Instant
import java.util.Base64
import java.util.UUID
import java.util.zip.GZIPOutputStream
import okhttp3.MediaType.Companion.toMediaType
import okhttp3.OkHttpClient
import okhttp3.Request
import okhttp3.RequestBody.Companion.toRequestBody
import org.json.JSONArray
import org.json.JSONObject

/** The server refused. `code` is stable, `problem` is the whole problem+json. */
class Problem(val problem: JSONObject) : Exception("${problem.optString("code")}: ${problem.optString("detail")}") {
    val code: String = problem.optString("code")
}

private fun encoded(content: ByteArray): String = Base64.getUrlEncoder().withoutPadding().encodeToString(content)
private fun decoded(text: String): ByteArray = Base64.getUrlDecoder().decode(text)
private fun sha256(content: ByteArray): ByteArray = MessageDigest.getInstance("SHA-256").digest(content)
private fun hex(content: ByteArray): String = content.joinToString("") { "%02x".format(it) }
private fun jsonOf(vararg fields: Pair<String, Any?>) = JSONObject(fields.toMap())

class Phone(private val url: String, folder: File) {
    private val http =
        OkHttpClient.Builder().connectTimeout(Duration.ofSeconds(5)).readTimeout(Duration.ofSeconds(60)).build()
    private val json = "application/json".toMediaType()
    private var nonce = ""
    private var access = ""
    private var refresh = ""

    // [key]
    private val store = KeyStore.getInstance("AndroidKeyStore").apply { load(null) }
    private val key: PrivateKey
    private val jwk: JSONObject

    init {
        if (!store.containsAlias("fujing")) {
            val wanted = KeyGenParameterSpec.Builder("fujing", KeyProperties.PURPOSE_SIGN)
                .setAlgorithmParameterSpec(ECGenParameterSpec("secp256r1"))
                .setDigests(KeyProperties.DIGEST_SHA256)
                .build()
            KeyPairGenerator.getInstance(KeyProperties.KEY_ALGORITHM_EC, "AndroidKeyStore")
                .apply { initialize(wanted) }.generateKeyPair()
        }
        key = store.getKey("fujing", null) as PrivateKey
        val point = (store.getCertificate("fujing").publicKey as ECPublicKey).w
        jwk = jsonOf("kty" to "EC", "crv" to "P-256", "x" to coordinate(point.affineX), "y" to coordinate(point.affineY))
    }

    /** Always 32 bytes: BigInteger may give more or fewer. */
    private fun coordinate(number: BigInteger): String = encoded(padded(number.toByteArray()))

    private fun padded(bytes: ByteArray): ByteArray =
        ByteArray(maxOf(0, 32 - bytes.size)) + bytes.copyOfRange(maxOf(0, bytes.size - 32), bytes.size)
    // [/key]

    // [proof]
    private fun proof(method: String, path: String, body: ByteArray?, token: String?): String {
        val claims = jsonOf("htm" to method, "htu" to url + path, "jti" to UUID.randomUUID().toString())
        claims.put("iat", System.currentTimeMillis() / 1000)
        claims.put("nonce", nonce) // from the last DPoP-Nonce header; empty the first time
        if (token != null) claims.put("ath", encoded(sha256(token.toByteArray())))
        if (body != null) claims.put("body_sha256", encoded(sha256(body))) // of the bytes as sent: with gzip, compressed
        return signed(jsonOf("typ" to "dpop+jwt", "alg" to "ES256", "jwk" to jwk), claims)
    }

    private fun signed(header: JSONObject, claims: JSONObject): String {
        val text = encoded(header.toString().toByteArray()) + "." + encoded(claims.toString().toByteArray())
        val der = Signature.getInstance("SHA256withECDSA").run { initSign(key); update(text.toByteArray()); sign() }
        return text + "." + encoded(joined(der))
    }

    /** Java signs in DER: 30 len 02 len r 02 len s. JWS wants r and s, 32 bytes each. */
    private fun joined(der: ByteArray): ByteArray {
        val r = der.copyOfRange(4, 4 + der[3])
        val s = der.copyOfRange(6 + der[3], 6 + der[3] + der[5 + der[3]])
        return padded(r) + padded(s)
    }
    // [/proof]

    // [call]
    fun call(method: String, path: String, payload: JSONObject? = null, signedIn: Boolean = true): JSONObject {
        for (attempt in 0 until 8) {
            val token = if (signedIn) access else null
            // sent_at: the clock at this attempt
            val body = payload?.let { gzip(JSONObject(it.toString()).put("sent_at", Instant.now().toString())) }
            val request = Request.Builder().url(url + path).method(method, body?.toRequestBody(json))
                .header("Accept-Language", "zh").header("DPoP", proof(method, path, body, token))
            if (body != null) request.header("Content-Encoding", "gzip")
            if (token != null) request.header("Authorization", "DPoP $token")
            var pause = 200L shl attempt
            val (status, headers, text) = try {
                http.newCall(request.build()).execute().use { Triple(it.code, it.headers, it.body?.string().orEmpty()) }
            } catch (lost: IOException) {
                Thread.sleep(pause)
                continue
            }
            nonce = headers["DPoP-Nonce"] ?: nonce
            val ours = text.isNotEmpty() && "json" in headers["Content-Type"].orEmpty() // not cut off, no captive portal
            if (status == 204 || (ours && status < 400)) return if (ours) JSONObject(text) else JSONObject()
            val problem = if (ours) JSONObject(text) else jsonOf("code" to "http_$status")
            when (problem.optString("code")) {
                "use_dpop_nonce", "proof_replayed" -> continue // try again with a new proof
                "token_expired" -> {
                    keep(call("POST", "/v1/sessions/refresh", jsonOf("refresh_token" to refresh), false))
                    continue
                }
            }
            pause = headers["Retry-After"]?.toLongOrNull()?.times(1000) ?: pause
            if ((ours && status != 429 && status < 500) || pause > 30_000) throw Problem(problem)
            Thread.sleep(pause)
        }
        throw IOException("no answer to $method $path; nothing is lost")
    }

    private fun gzip(payload: JSONObject): ByteArray = ByteArrayOutputStream().also { out ->
        GZIPOutputStream(out).use { it.write(payload.toString().toByteArray()) }
    }.toByteArray()
    // [/call]

    // [sign-in]
    fun enrol(code: String): JSONObject =
        call("POST", "/v1/devices/enrol", jsonOf("code" to code, "jwk" to jwk), false).getJSONObject("device")

    fun signIn(badge: String, password: String) =
        keep(call("POST", "/v1/sessions", jsonOf("badge" to badge, "password" to password), false))

    private fun keep(tokens: JSONObject) {
        access = tokens.getString("access_token")
        refresh = tokens.getString("refresh_token")
    }
    // [/sign-in]

    // [outbox]
    private val file = AtomicFile(File(folder, "outbox.json")) // for a long outbox use Room or SQLite
    private val box = if (file.baseFile.exists()) JSONObject(String(file.readFully())) else jsonOf("seq" to 0)
    val entries: JSONArray = box.optJSONArray("entries") ?: JSONArray().also { box.put("entries", it) }

    /** Store an entry. On return it is on the disk; its id and number never change. */
    fun add(verb: String, occurredAt: Instant, vararg fields: Pair<String, Any?>): String = synchronized(box) {
        val id = UUID.randomUUID().toString()
        val seq = box.getInt("seq") + 1
        val entry = jsonOf("verb" to verb, "id" to id, "occurred_at" to occurredAt.toString(), "device_seq" to seq, *fields)
        entries.put(jsonOf("seq" to seq, "body" to entry, "state" to "queued"))
        box.put("seq", seq)
        save()
        id
    }

    private fun save() { // whole or not at all
        val out = file.startWrite()
        try {
            out.write(box.toString().toByteArray())
            file.finishWrite(out)
        } catch (broken: IOException) {
            file.failWrite(out)
            throw broken
        }
    }
    // [/outbox]

    // [sync]
    /** Send queued and waiting entries and fetch changes, until there are none. `add` never waits for it. */
    fun sync() {
        var after = 0
        var more = true
        while (true) {
            val request = JSONObject()
            val batch = synchronized(box) {
                if (box.has("cursor")) request.put("cursor", box.getString("cursor"))
                (0 until entries.length()).map(entries::getJSONObject)
                    .filter { it.getString("state") in setOf("queued", "waiting") && it.getInt("seq") > after }.take(1000)
            }
            if (batch.isEmpty() && !more) return
            val answer = call("POST", "/v1/sync", request.put("entries", JSONArray(batch.map { it.getJSONObject("body") })))
            synchronized(box) { // store an answer whole or not at all
                batch.forEachIndexed { index, entry ->
                    val result = answer.getJSONArray("results").getJSONObject(index)
                    val away = (result.optJSONObject("problem")?.optInt("status") ?: 0) >= 500
                    val status = result.getString("status")
                    entry.put("state", if (status == "again" || away) "queued" else status) // not processed: send again
                    entry.put("answer", result)
                }
                for (name in listOf("cursor", "bundle")) if (!answer.isNull(name)) box.put(name, answer.get(name))
                save() // with `reset`, discard what earlier answers brought
            }
            after = batch.lastOrNull()?.getInt("seq") ?: after
            more = answer.optBoolean("more")
        }
    }
    // [/sync]

    // [upload]
    /** Send the missing parts until the store has all. A later process can go on with it. */
    fun upload(id: String, taken: File) {
        var failures = 0
        val etags = mutableMapOf<Int, String>() // the ETag that the store gave for the last PUT of each part
        while (true) {
            val missing = call("GET", "/v1/uploads/$id/parts").getJSONArray("missing")
            if (missing.length() == 0) break
            for (part in (0 until missing.length()).map(missing::getJSONObject)) {
                val content = ByteArray(part.getInt("bytes"))
                RandomAccessFile(taken, "r").use { it.seek(part.getLong("offset")); it.readFully(content) }
                val md5 = Base64.getEncoder().encodeToString(MessageDigest.getInstance("MD5").digest(content))
                val put = Request.Builder().url(part.getString("url")).put(content.toRequestBody()).header("Content-MD5", md5)
                val arrived = try { // no token and no proof: the URL is signed
                    http.newCall(put.build()).execute().use { answer ->
                        if (answer.code == 200) answer.header("ETag")?.let { etags[part.getInt("number")] = it }
                        answer.code == 200
                    }
                } catch (lost: IOException) {
                    false
                }
                failures = if (arrived) 0 else failures + 1
                if (failures > 8) throw IOException("no part arrives; nothing is lost")
            }
        }
        val parts = etags.map { (number, etag) -> jsonOf("number" to number, "etag" to etag) }
        call("POST", "/v1/uploads/$id/complete", jsonOf("parts" to JSONArray(parts)))
    }
    // [/upload]

    // [receipt]
    /** Wait for the receipt, verify it for these bytes and store it. Only then may the file be deleted. */
    fun receipt(id: String, taken: File): String {
        var answer = call("GET", "/v1/uploads/$id/receipt")
        while (answer.getString("state") == "received") {
            Thread.sleep(500)
            answer = call("GET", "/v1/uploads/$id/receipt")
        }
        check(answer.getString("state") == "sealed") { answer.getString("advice") } // mismatch, abandoned: upload it again
        val receipt = answer.getString("receipt")
        val (head, body, signature) = receipt.split(".")
        val header = JSONObject(String(decoded(head)))
        val keys = call("GET", "/.well-known/jwks.json", signedIn = false).getJSONArray("keys")
        val jwk = (0 until keys.length()).map(keys::getJSONObject)
            .single { it.getString("kid") == header.getString("kid") && it.getString("kid").startsWith("evidence-") }
        // Ed25519 is in Android from API 33 on; before that take it from Tink or Bouncy Castle.
        val x509 = decoded("MCowBQYDK2VwAyEA") + decoded(jwk.getString("x")) // prefix of an Ed25519 key (RFC 8410)
        val published = KeyFactory.getInstance("Ed25519").generatePublic(X509EncodedKeySpec(x509))
        val held = Signature.getInstance("Ed25519")
            .run { initVerify(published); update("$head.$body".toByteArray()); verify(decoded(signature)) }
        val claims = JSONObject(String(decoded(body)))
        val right = header.getString("typ") == "fujing-receipt+jwt" && claims.getString("id") == answer.getString("id") &&
            claims.getString("sha256") == hex(sha256(taken.readBytes()))
        check(held && right) { "this receipt proves something else: keep the file" }
        synchronized(box) {
            box.put("receipt $id", receipt)
            save()
        }
        return receipt
    }
    // [/receipt]
}

/** A patrol of five hours offline, then sync and upload. */
fun patrol(url: String, folder: File, code: String, badge: String, password: String, taken: File) {
    val phone = Phone(url.trimEnd('/'), folder)
    phone.enrol(code)
    phone.signIn(badge, password)
    val now = Instant.now()
    val shift = phone.add(
        "shifts/check-in", now - Duration.ofHours(5), "duty_type" to "patrol", "dress" to "uniform",
        "id_card_carried" to true, "roster_post" to "北门岗亭",
    )
    phone.add("shifts/check-out", now - Duration.ofHours(1), "shift" to shift)
    val upload = phone.add(
        "recordings/declare", now - Duration.ofHours(1), "camera_serial" to "DSJ-0044", "media_type" to "video/mp4",
        "file_name" to taken.name, "bytes" to taken.length(), "sha256" to hex(sha256(taken.readBytes())),
        "started_at" to (now - Duration.ofHours(3)).toString(), "ended_at" to (now - Duration.ofHours(2)).toString(),
    )
    phone.sync()
    for (entry in (0 until phone.entries.length()).map(phone.entries::getJSONObject)) println(entry)
    phone.upload(upload, taken)
    phone.receipt(upload, taken)
    taken.delete() // in this order: verify, store, delete
}
